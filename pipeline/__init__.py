"""The way of the data: list, plan, render, ask, settle, publish, fold."""
