"""The download scheduler: which source gets which range next (spec/scheduler.md). Decides and does nothing."""
