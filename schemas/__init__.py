"""What things are: the job file, the checklist, typed answers and the output tables."""
