"""Tiers, budgets, plans; enforcement; measuring by intervention; the report."""
