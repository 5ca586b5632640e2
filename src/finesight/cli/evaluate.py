from finesight.cli.options import (
    DataOption,
    JsonOption,
    RunArgument,
    SplitOption,
    print_json,
    print_line,
    print_metrics,
)


def evaluate(run: RunArgument, data: DataOption = "", split: SplitOption = "", json_output: JsonOption = False) -> None:
    """Score a run on pictures whose classes are known.

    Examples:

    `finesight evaluate runs/p1`

    `finesight evaluate runs/p1 --data held_out/ --split test`
    """
    from finesight.app.evaluate import evaluate as run_evaluation

    result = run_evaluation(run, data=data, split=split)
    if json_output:
        print_json(result)
        return
    print_line(f"{result['num_samples']} pictures, split {result['split']}")
    print_line()
    print_metrics(result["metrics"], result["definitions"])
