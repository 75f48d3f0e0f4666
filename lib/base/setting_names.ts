/**
 * Settings inside of settings: only known names.
 *
 * @module
 */
import { DbError } from "./errors.ts";

/**
 * Makes sure that an object of settings has none that nobody knows.
 *
 * @param settings What the settings hold.
 * @param known The names there are.
 * @param name The setting that holds them, for the message.
 * @throws {DbError} Kind `"invalid"` if it is no object, or has another name.
 */
export function checkSettingNames(
  settings: unknown,
  known: readonly string[],
  name: string,
): void {
  if (typeof settings !== "object" || settings === null) {
    throw new DbError(
      "invalid",
      `setting '${name}' must be an object, not ${JSON.stringify(settings)}`,
    );
  }
  for (const key of Object.keys(settings)) {
    if (known.includes(key)) continue;
    throw new DbError(
      "invalid",
      `unknown setting '${name}.${key}': known are ${known.join(", ")}`,
    );
  }
}
