/**
 * The state of an item of `bridge_items`, as SQL: what both sides are compared by, with how its room shows it (`as`, see
 * appearance.ts). `item` is the alias of its row; `style` an expression that yields `bridge_style` of the room.
 */
export const bookedState = (item: string, style: string): string => `
  bridge_item_state(${item}.starts_at, ${item}.ends_at, ${item}.all_day, ${item}.title, ${item}.description, ${item}.is_private)
  || CASE WHEN ${style} IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(${item}), ${style}) END`;
