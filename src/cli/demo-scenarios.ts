/** The faults that the demo can inject: `demo --scenario NAME`, or a key while it runs. */
import { Invalid } from '../errors.ts';
import { bothEdit } from './demo-scenario-both-edit.ts';
import { deletedRows } from './demo-scenario-deleted-rows.ts';
import { graphAway } from './demo-scenario-graph-away.ts';
import { kill } from './demo-scenario-kill.ts';
import { lostAnswer } from './demo-scenario-lost-answer.ts';
import type { Scenario } from './demo-scenario.ts';

export const scenarios: readonly Scenario[] = [lostAnswer, graphAway, kill, deletedRows, bothEdit];

/** Throws Invalid for an unknown name. */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((one) => one.name === name);
  if (found === undefined)
    throw new Invalid(
      'scenario',
      `--scenario is '${name}'.`,
      `Choose from ${scenarios.map((one) => one.name).join(', ')}.`,
    );
  return found;
}
