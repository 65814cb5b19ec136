"""Plug-in for ms-swift.

    --external_plugins $(vlreward path swift) --reward_funcs vlreward

Registers `vlreward`, all terms of each row's task, and one reward for each of `vlreward.rewards`,
for separate logs and weights: `vlreward_iou`, `vlreward_count`, `vlreward_math`,
`vlreward_format` ... The data set's column `solution` holds gold envelopes (`vlreward pack`), or
bare golds together with the settings (`vlreward.integrations.settings`) in environment variables,
which are read, and refused if they are bad, when this file is loaded. For other configurations
call `vlreward.integrations.swift.register` in a plug-in file of your own.
"""

from vlreward.integrations.swift import register_all

register_all()
