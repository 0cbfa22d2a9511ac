"""The way forward: a candidate version gets all calls stage by stage, on evidence, or goes back."""
