"""The report: the output tables as one HTML page that a person can check answers with."""
