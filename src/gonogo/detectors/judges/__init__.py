"""A judge grades every call and people a few: did the model degrade, or did the judge move?"""
