"""Understanding a result: embeddings, projections, class similarity, saliency maps and label errors."""
