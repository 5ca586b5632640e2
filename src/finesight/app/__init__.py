"""One use case a file, each with one public function of the same name."""
