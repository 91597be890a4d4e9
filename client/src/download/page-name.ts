/**
 * The name of this page for its coordinators: random, of this visit. What a page downloads and what it shares are two
 * sessions, and by this name they are never introduced to each other.
 */

let name: string | undefined;

/** 32 hexadecimal digits. In a secure context only. */
export function pageName(): string {
  return (name ??= crypto.randomUUID().replaceAll("-", ""));
}
