"""The JSON API: typed routes, one body reader, one form of refusal. Spec page: docs/spec/api.md."""
