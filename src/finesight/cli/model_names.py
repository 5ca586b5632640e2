"""Names of models without the table of models, which needs torch: those of libraries are read in their source files.

A contract test holds that they are those of the table.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

OWN = (
    *(f"{family}efficientnet_lite{number}" for family in ("", "fcn/") for number in range(3)),
    *("vgg16_fcn32s", "vgg16_fcn8s", "vgg16_fcn32s_paper", "vgg16_fcn16s_paper", "vgg16_fcn8s_paper"),
    *("vgg16_fcn8s_paper_at_once", "fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101"),
    *("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
)
FAMILIES = ("timm/", "fcn/timm/")  # any architecture of timm, also with the head of a segmenter
REGISTERED = re.compile(r"^@register_model\b.*\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


def list_model_names(start: str) -> list[str]:
    """Names that begin with `start`; of timm's architectures the families alone, until one is begun."""
    family = next((each for each in FAMILIES if start.startswith(each)), "")
    names = (
        [family + name for name in _read_names("timm")] if family else [*OWN, *_read_names("torchvision"), *FAMILIES]
    )
    return sorted(name for name in names if name.startswith(start))


def _read_names(library: str) -> Iterator[str]:
    """Those that the files directly in LIBRARY/models register; nothing where it is not installed."""
    spec = find_spec(library)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder, "models").glob("*.py")):
            yield from REGISTERED.findall(file.read_text(encoding="utf-8"))
