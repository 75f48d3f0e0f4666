/**
 * Stores by URL: for workers, other processes and the command line.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { FileStore } from "./file_store.ts";
import { MemoryStore } from "./memory_store.ts";
import type { ObjectStore } from "./object_store.ts";
import { PrefixStore } from "./prefix_store.ts";

/** Options of {@linkcode openStore}. */
export interface OpenStoreOptions {
  /** Clock, timers and randomness of the store. */
  runtime?: Runtime;
  /** See {@linkcode FileStoreOptions.fsync}. */
  fsync?: boolean;
}

const KNOWN = '"memory:", "file:///path" and "s3://bucket/prefix"';

/**
 * Opens the store a URL names.
 *
 * - `memory:` is a new, empty store each time; a path is a prefix in it.
 * - `file:///path` is a directory; special characters percent-encoded.
 *
 * @param url The URL.
 * @param options What the URL does not say.
 * @returns The store; the caller closes it.
 * @throws {DbError} Kind `"invalid"` if the URL names no store that is known.
 */
// deno-lint-ignore require-await -- a store that must connect first may follow
export async function openStore(
  url: string,
  options: OpenStoreOptions = {},
): Promise<ObjectStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new DbError(
      "invalid",
      `Cannot open the store "${url}": it is no URL; for a directory use new FileStore("${url}") or its absolute file:///… form`,
    );
  }
  switch (scheme) {
    case "memory":
      return openMemory(url, options);
    case "file":
      return new FileStore(filePath(url), options);
    case "s3":
      throw new DbError(
        "invalid",
        `Cannot open the store "${
          withoutSecrets(url)
        }": this version has no S3 store; use a "file:///path" or "memory:" URL`,
      );
    default:
      throw new DbError(
        "invalid",
        `Cannot open the store "${
          withoutSecrets(url)
        }": the scheme "${scheme}:" is not known; known are ${KNOWN}`,
      );
  }
}

function openMemory(url: string, options: OpenStoreOptions): ObjectStore {
  const { runtime } = options;
  const store = new MemoryStore(runtime === undefined ? {} : { runtime });
  const prefix = decodeParts(url, url.slice("memory:".length))
    .filter((part) => part !== "");
  return prefix.length === 0 ? store : new PrefixStore(store, prefix.join("/"));
}

function filePath(url: string): string {
  const path = /^file:\/\/(?:localhost)?(\/[^?#]*)$/i.exec(url)?.[1];
  if (path === undefined) {
    throw new DbError(
      "invalid",
      `Cannot open the store "${
        withoutSecrets(url)
      }": a file URL is absolute, with three slashes and no query, as in file:///var/data; for a relative path use new FileStore("./data")`,
    );
  }
  return decodeParts(url, path).join("/");
}

/** What may be shown and logged: no user, no password, no value of a query. */
function withoutSecrets(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:(?:\/\/)?)(?!\/).*@/i, "$1***@")
    .replaceAll(/([?&][^=&#]*=)[^&#]*/g, "$1***");
}

function decodeParts(url: string, path: string): string[] {
  return path.split("/").map((part) => {
    const decoded = decodePart(part);
    if (decoded === undefined || /[\0/]/.test(decoded)) {
      throw new DbError(
        "invalid",
        `Cannot open the store "${url}": "${part}" is not percent-encoded text, or hides a slash`,
      );
    }
    return decoded;
  });
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
