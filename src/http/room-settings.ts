/** The settings of one room in requests and answers. */
import { z } from '@hono/zod-openapi';
import { privacies, templateProblem } from '../appearance.ts';
import { Invalid } from '../errors.ts';
import { conflictPolicies, importModes, overlapPolicies, roomSettingNames } from '../room-settings.ts';
import { text } from './schema.ts';

const asEnvironment = 'Null: the environment’s value.';

/** In answers. */
export const ownSettings = {
  conflict_policy: z.enum(conflictPolicies).nullable().openapi({ description: asEnvironment }),
  overlap_policy: z.enum(overlapPolicies).nullable(),
  import_mode: z.enum(importModes).nullable(),
  privacy: z.enum(privacies).nullable(),
  title_template: z.string().nullable(),
};

/** In requests. */
export const settingFields = {
  ...ownSettings,
  title_template: text(200)
    .superRefine((template, context) => {
      const problem = templateProblem(template);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    })
    .nullable()
    .openapi({
      description: 'The subject of an event, with {title}, {organizer}, {type} and {room}.',
      example: '{title} ({organizer})',
    }),
};

export const noSetting = () =>
  new Invalid(
    'body',
    'body: it has no field to change',
    `Send at least one of ${roomSettingNames.join(', ')}, as JSON.`,
  );
