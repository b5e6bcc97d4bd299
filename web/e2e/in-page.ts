/** Expressions that a page evaluates for tests which stay outside of it. */

/** Waits in the page until `condition` holds. */
export const until = (condition: string): string => `new Promise((resolve, reject) => {
  const end = Date.now() + 15000;
  const look = () => {
    if (${condition}) return resolve(true);
    if (Date.now() > end) return reject(new Error(${JSON.stringify(condition)}));
    setTimeout(look, 10);
  };
  look();
})`;

/** There is a live picture. */
export const live = (where: string): string =>
  `document.querySelector('${where} .screen[data-picture="live"]') !== null`;
