"""Whether a driving log can be trusted: what lies in it, and how well its sensors, clocks and poses agree."""
