"""What the coordinator remembers: the durable catalogue and the soft state, a contract and a conformance suite each."""
