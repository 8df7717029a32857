"""The rules of scripts/check. Each module has check(repository), which returns its findings."""
