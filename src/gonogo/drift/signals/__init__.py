"""The metrics beside quality, judged once a day."""
