"""A time budget: a training ends within it with its schedule complete, even where the machine slows down midway."""

import math
import time
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from finesight import distributed
from finesight.config import Preprocessing, Settings
from finesight.errors import blame_files
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.training.forecast import Costs, Forecast
from finesight.training.schedule import change_plan, count_steps

AIM = 0.92  # fraction of the budget that is planned for: times vary
LATE, EARLY = 0.99, 0.75  # expected ends, as fractions of the budget, beyond which a plan is changed
MEMORY = 0.04  # of the budget: how far back the speed is looked at
LEAST_LEFT = 0.02  # of all steps: left for the schedule to end in, even where that takes longer than the budget
MOST_EPOCHS = 100  # that are planned, however much time there is
CHECK_S, RECORD_S = 1.0, 15.0  # seconds between looks at the clock, and between records of the time used
CHECK_STEPS = 10  # in their place on several ranks, which look together


class Budget:
    """hours: all of it. used_s: what an interrupted training took already. began: `time.monotonic()` at the start."""

    def __init__(self, run: RunFolder, forecast: Forecast, hours: float, began: float, used_s: float = 0.0) -> None:
        self.run, self.forecast, self.hours = run, forecast, hours
        self._began = began - used_s
        self._looked: tuple[float, int] | None = None  # (seconds used, steps done)
        self._recorded = 0.0
        memory = MEMORY * self.seconds
        self._took = self._expected = memory  # seconds, fading: their ratio is how slow the machine is now

    @property
    def seconds(self) -> float:
        return 3600 * self.hours

    @property
    def used_s(self) -> float:
        return time.monotonic() - self._began

    def largest(self, settings: Settings, done: int, begun_s: float, slowness: float = 1.0) -> int:
        """Steps in all that end by AIM. done: steps at begun_s seconds. At least one, at most MOST_EPOCHS epochs."""
        steps = self.forecast.steps_per_epoch
        low, high = done + 1, max(MOST_EPOCHS * steps, done + 1)
        while low < high:
            middle = (low + high + 1) // 2
            planned = self._plan(settings, done, middle)
            if begun_s + self._left_s(planned, done, slowness) <= AIM * self.seconds:
                low = middle
            else:
                high = middle - 1
        return low

    def needed(self, settings: Settings, steps: int) -> float:
        """Seconds from the start of the command to the end of a training of so many steps."""
        return self.used_s + self._left_s(self._plan(settings, 0, steps), 0, slowness=1.0)

    def replan(self, settings: Settings, done: int) -> Settings | None:
        """Settings with another plan, where by this one the training would end late, or so early that more fits.

        done: steps. Recorded plans that lie ahead, as of a resumed run, are kept. The same on all ranks.
        """
        used_s = self._look(settings, done)
        steps = self.forecast.steps_per_epoch
        if used_s is None or done / steps <= settings.budget.plan[-1][0]:
            return None
        slowness, total = self._took / self._expected, count_steps(settings, steps)
        end = (used_s + self._left_s(settings, done, slowness)) / self.seconds
        if EARLY <= end <= LATE or (end < EARLY and (total >= MOST_EPOCHS * steps or total - done < steps)):
            return None
        fewest = done + math.ceil(LEAST_LEFT * total)
        new = max(self.largest(settings, done, used_s, slowness), fewest)
        if new == total or (end > LATE and new > total):
            return None
        changed = self._plan(settings, done, new)
        pace = f"{slowness:.1f} times the seconds expected" if slowness >= 1 else f"{1 / slowness:.1f} times as fast"
        say(
            f"Budget: {new / steps:.3g} epochs instead of {total / steps:.3g}, as steps take {pace}. "
            f"{self.describe_end(changed, done, slowness)}"
        )
        self.write(changed)
        return changed

    def describe_end(self, settings: Settings, done: int, slowness: float = 1.0) -> str:
        left = self._left_s(settings, done, slowness)
        return f"Expected end: {datetime.now().astimezone() + timedelta(seconds=left):%H:%M:%S}."

    def write(self, settings: Settings) -> None:
        """The plan, into a run's config.toml, and the time used."""
        if distributed.is_main():
            self.run.write_settings(settings)
        self.record()

    def record(self) -> None:
        """The time used, for a training that is resumed."""
        self._recorded = self.used_s
        if distributed.is_main():
            values = {"hours": self.hours, "used_s": round(self._recorded, 1), "costs": asdict(self.forecast.costs)}
            self.run.write_json(schema.BUDGET, values)

    @classmethod
    def resume(cls, run: RunFolder, preprocessing: Preprocessing, steps_per_epoch: int, began: float) -> "Budget":
        """That of a run, with the time it used before. Raises RunError where that cannot be read."""
        values = run.read_json(schema.BUDGET)
        with blame_files(run.path):
            forecast = Forecast(Costs(**values["costs"]), preprocessing, steps_per_epoch)
            return cls(run, forecast, float(values["hours"]), began, float(values["used_s"]))

    def _plan(self, settings: Settings, done: int, total: int) -> Settings:
        steps = self.forecast.steps_per_epoch
        return change_plan(settings, done / steps, total / steps)

    def _left_s(self, settings: Settings, done: int, slowness: float) -> float:
        steps, costs = self.forecast.steps_per_epoch, self.forecast.costs
        left = self.forecast.seconds(settings, done, count_steps(settings, steps)) + costs.closing_s
        is_before_validation = done > 0 and done % steps == 0
        return slowness * (left + (costs.epoch_s if is_before_validation else 0.0))

    def _look(self, settings: Settings, done: int) -> float | None:
        """Seconds used, where it is time to look at them; moves how slow the machine is."""
        used_s = self.used_s
        if distributed.world_size() > 1:
            if done % CHECK_STEPS:
                return None
            used_s = distributed.all_reduce_max(round(1000 * used_s)) / 1000
        before, self._looked = self._looked, self._looked or (used_s, done)
        if before is None or (distributed.world_size() == 1 and used_s - before[0] < min(CHECK_S, 0.01 * self.seconds)):
            return None
        self._looked = used_s, done
        self._compare(settings, used_s - before[0], before[1], done)
        if used_s - self._recorded > RECORD_S:
            self.record()
        return used_s

    def _compare(self, settings: Settings, took: float, begun: int, done: int) -> None:
        """What the steps from `begun` to `done` took, with what was expected: moves how slow the machine is.

        Where an epoch ended between them, it moves what the end of one costs instead.
        """
        steps, costs = self.forecast.steps_per_epoch, self.forecast.costs
        spanned = -(-done // steps) - begun // steps
        expected = self.forecast.seconds(settings, begun, done) - spanned * costs.epoch_s
        if ends := (done - 1) // steps - (begun - 1) // steps:
            slowness = self._took / self._expected
            epoch_s = max(took / slowness - expected, 0.0) / ends
            self.forecast = replace(self.forecast, costs=replace(costs, epoch_s=epoch_s))
            return
        fading = math.exp(-took / (MEMORY * self.seconds))
        self._took, self._expected = fading * self._took + took, fading * self._expected + expected
