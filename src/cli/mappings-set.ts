/** `mappings set`: what one room does differently from the others. It takes effect at once. */
import { Invalid } from '../errors.ts';
import {
  isRoomSetting,
  ownSettings,
  roomSettingNames,
  settingProblem,
  type RoomSettings,
} from '../room-settings.ts';
import { createRoomSwitch } from '../sync/manual/room-list.ts';
import { writeDown } from './asked.ts';
import { say, sayJson } from './terminal.ts';
import { resourceNumber, withDatabase } from './with-database.ts';

export async function setMapping(
  resource: string,
  words: readonly string[],
  options: { json?: boolean },
): Promise<number> {
  const wished = Object.fromEntries(words.map(settingOf)) as Partial<RoomSettings>;
  const { resourceId, settings } = await withDatabase('mappings set', async (db) => {
    const id = await resourceNumber(db, 'RESOURCE', resource);
    await writeDown(db, `mappings set ${resource} ${words.join(' ')}`, id);
    return { resourceId: id, settings: await createRoomSwitch(db).set(id, wished) };
  });
  if (settings === null)
    throw new Invalid(
      'RESOURCE',
      `Resource ${resourceId} is mapped to no room.`,
      '`mappings list` shows those that are.',
    );
  if (options.json === true) sayJson({ success: true, resource_id: resourceId, settings });
  else {
    const own = ownSettings(settings);
    say(
      own.length === 0
        ? `Resource ${resourceId} does everything as the environment says.`
        : `Resource ${resourceId}: ${own.join(', ')}; the rest is as the environment says.`,
    );
  }
  return 0;
}

/** `name=value`; an empty value: as the environment says. Throws Invalid. */
function settingOf(word: string): [keyof RoomSettings, string | null] {
  const [name, value] = [word.split('=', 1)[0]!, word.slice(word.indexOf('=') + 1)];
  if (!word.includes('=') || !isRoomSetting(name))
    throw new Invalid(
      'SETTING',
      `'${word.slice(0, 100)}' is no setting of a room.`,
      `Write NAME=VALUE with one of ${roomSettingNames.join(', ')}; NAME= alone takes the room's own value away.`,
    );
  if (value === '') return [name, null];
  const problem = settingProblem(name, value);
  if (problem !== null)
    throw new Invalid(
      name,
      `${name} '${value.slice(0, 250)}' ${problem}.`,
      '`mappings list --json` shows what is.',
    );
  return [name, value];
}
