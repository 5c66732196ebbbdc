"""What the technician does at a line beside the schedule, through the daemon or alone."""
