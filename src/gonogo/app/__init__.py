"""One method a question, and the one place that builds what they stand on."""
