"""The shapes of everything that crosses a wire, with their bounds; parsing only, no decisions."""
