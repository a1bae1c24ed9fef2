"""What buttons and keys do: functions of the session that say what they did."""
