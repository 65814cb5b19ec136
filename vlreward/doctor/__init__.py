"""What is wrong with a run's rewards: read from a trace or from any supported result file."""

from vlreward.doctor.checks import Finding, diagnose
from vlreward.doctor.observations import Observation, read_observations

__all__ = ["Finding", "Observation", "diagnose", "read_observations"]
