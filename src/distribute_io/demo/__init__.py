"""Everything on one machine: a coordinator, throttled mirrors and donors, and a download that shows its sources."""
