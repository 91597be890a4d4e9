"""Which donors should hold which segments: a snapshot, a policy and a random source in; a plan out."""
