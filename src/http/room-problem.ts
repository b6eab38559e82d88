import { Problem } from './problem.ts';

export const noRoom = (resource: number) =>
  new Problem(
    404,
    `Resource ${resource} is not mapped to a room mailbox.`,
    'Add it to bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active), or set its active to 1.',
  );
