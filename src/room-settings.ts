/** The settings of a single room, columns of `bridge_resource_mappings`. Null: the environment's setting applies. */
import { privacies, templateProblem, type Privacy } from './appearance.ts';

export const conflictPolicies = ['booking', 'outlook', 'newest', 'ask'] as const;
export const overlapPolicies = ['flag', 'import', 'decline'] as const;
export const importModes = ['auto', 'manual'] as const;

export interface RoomSettings {
  readonly conflict_policy: (typeof conflictPolicies)[number] | null;
  readonly overlap_policy: (typeof overlapPolicies)[number] | null;
  readonly import_mode: (typeof importModes)[number] | null;
  readonly privacy: Privacy | null;
  readonly title_template: string | null;
}

const choices: Readonly<Record<keyof RoomSettings, readonly string[] | null>> = {
  conflict_policy: conflictPolicies,
  overlap_policy: overlapPolicies,
  import_mode: importModes,
  privacy: privacies,
  title_template: null,
};

export const roomSettingNames = Object.keys(choices) as (keyof RoomSettings)[];

/** The columns of the room `r` as a list for SELECT. */
export const roomSettingColumns = roomSettingNames.map((name) => `r.${name}`).join(', ');

export const isRoomSetting = (name: string): name is keyof RoomSettings => Object.hasOwn(choices, name);

/** The problem of a value, with the repair; null: valid. */
export function settingProblem(name: keyof RoomSettings, value: string): string | null {
  const allowed = choices[name];
  if (allowed === null) return templateProblem(value);
  return allowed.includes(value) ? null : `is not one of ${allowed.join(', ')}`;
}

/** The settings that a room overrides, as `name=value`. */
export const ownSettings = (room: Partial<RoomSettings>): string[] =>
  roomSettingNames.flatMap((name) => (room[name] == null ? [] : [`${name}=${room[name]}`]));
