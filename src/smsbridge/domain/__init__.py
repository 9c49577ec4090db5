"""What the words mean (docs/glossary.md). No input or output, no clock, no randomness: only values and rules."""
