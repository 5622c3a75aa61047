"""What moves or could move: vehicles, people, signals, parked cars and road works."""
