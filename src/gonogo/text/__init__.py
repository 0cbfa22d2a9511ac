"""Answers in words: numbers, money, times, evidence and summaries, nowhere else."""
