"""The download scheduler: which source gets which range next (spec/scheduler.md). Decides and does nothing."""

from distribute_io.core.scheduler.scheduler import Scheduler as Scheduler
