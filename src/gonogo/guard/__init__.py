"""A gate outside the model: a client asks it before each tool call, and a no_go stops the call."""
