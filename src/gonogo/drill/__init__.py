"""`gonogo drill`: rehearses the incident plan on a copy of the user's own history."""
