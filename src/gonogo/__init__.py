"""gonogo: is what an AI agent depends on fit for the work it is about to do?"""

__version__ = "0.1.0"
