"""segmentation-models-pytorch's FPN on EfficientNet-Lite0, the nearest to finesight's light head, in the plain loop."""

import segmentation_models_pytorch as smp
from with_pytorch import run
from work import read_arguments


def main() -> None:
    asked = read_arguments()
    run(asked, smp.FPN("tu-tf_efficientnet_lite0", encoder_weights=None, classes=asked.num_classes))


if __name__ == "__main__":
    main()
