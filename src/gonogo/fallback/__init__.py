"""The way back: ask, plan, apply, recover, reconcile, hold."""
