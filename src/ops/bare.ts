/** The text without addresses and numbers of persons (11 digits in Norway). */
export function bare(text: string): string {
  return text
    .replace(/[^\s'"<>(),;=]+@[^\s'"<>(),;=]+/gu, '[address]')
    .replace(/(?<!\d)\d{11}(?!\d)/gu, '[number]');
}
