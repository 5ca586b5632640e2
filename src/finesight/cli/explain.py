from typing import Annotated

from typer import Argument, Option

from finesight.classes import write_plainly
from finesight.cli.options import JsonOption, RunArgument, print_json, print_line, refuse_unreadable
from finesight.cli.starting import starting
from finesight.run.results import Focus


def explain(
    run: RunArgument,
    images: Annotated[list[str], Argument(metavar="IMAGE…", help="Images, or folders of images.")],
    out: Annotated[str, Option(metavar="FOLDER", help="Folder for the overlays.")] = "explained",
    classes: Annotated[
        list[str] | None,
        Option("--class", metavar="NAME", help="Class to explain instead of the predicted one; repeatable."),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Overlay each image with its saliency map (Grad-CAM): the regions that decided.

    Default: the predicted class; for segmentation, the largest predicted classes. Images that cannot be read are
    listed, with exit code 1.

    Examples:

    `finesight explain runs/p1 wolf_7.png --out saliency/`

    `finesight explain runs/p1 new_images/ --class wolf --class fox`
    """
    with starting(f"Computing saliency maps of {run}.", [run]):
        from finesight.app.explain import explain as run_explanation

    result = run_explanation(run, *images, out=out, classes=classes or ())
    if json_output:
        print_json(result)
    else:
        for seen in result.images:
            print_line(describe(seen))
        print_line(f"{len(result.images)} overlays in {result.out}, from layer {result.layer}")
    refuse_unreadable(result.unreadable)


def describe(seen: Focus) -> str:
    """`7.png: wolf, 83 %; half of the saliency on 12 % of the image, upper left`."""
    text = f"{seen.key}: {write_plainly(seen.class_name)}, {seen.probability:.0%}"
    if seen.inside is not None:
        text += f" of the pixels; {seen.inside:.0%} of the saliency inside them"
    if seen.half_area is None:
        return f"{text}; no region of that layer supports it"
    return f"{text}; half of the saliency on {seen.half_area:.0%} of the image, {seen.where}"
