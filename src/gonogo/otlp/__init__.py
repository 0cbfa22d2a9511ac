"""The OTLP/HTTP receiver: what applications already tell OpenTelemetry becomes evidence."""
