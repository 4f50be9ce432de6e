"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const CHOICES = ["left", "right", "both", "neither", "unknown"];
  const SECONDS_EACH = 20;
  const LONGEST = 600; // seconds: who takes longer was away
  const prefix = `tastemaker raters ${data.study} `;
  let rater = "", answers = {}, place = 0, since = 0;

  const shelf = (() => {
    try {
      localStorage.setItem(prefix, "");
      localStorage.removeItem(prefix);
      return localStorage;
    } catch {
      return null;
    }
  })();
  const keep = () => {
    try {
      if (shelf) shelf.setItem(prefix + rater, JSON.stringify({ answers, place }));
    } catch {
      at("unkept").hidden = false;
    }
  };
  const kept = (name) => {
    try {
      return JSON.parse(shelf.getItem(prefix + name));
    } catch {
      return null;
    }
  };

  const made = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const name = (card) => {
    const whole = made("span", "name");
    whole.append(made("b", "", card.title));
    if (card.facts) whole.append(made("span", "facts", card.facts));
    return whole;
  };

  const show = (id) => {
    for (const part of ["start", "ask", "end"]) at(part).hidden = part !== id;
    window.scrollTo(0, 0);
  };
  const now = () => data.questions[place];
  const answer = () => (answers[now().number] ??= { choice: null, left: [], right: [], seconds: 0 });
  const answered = () => data.questions.filter((each) => answers[each.number]?.choice).length;

  const listed = (side) => {
    const list = at(side).querySelector("ol");
    list.replaceChildren(
      ...now()[side].map((card, number) => {
        const line = made("li");
        const button = made("button");
        button.type = "button";
        button.append(made("span", "place", `${number + 1}`), name(card), made("span", "mark", "doesn’t belong"));
        if (card.text) button.children[1].append(made("span", "text", card.text));
        const paint = () => button.setAttribute("aria-pressed", answer()[side].includes(number));
        button.addEventListener("click", () => {
          const marks = answer()[side];
          answer()[side] = marks.includes(number) ? marks.filter((each) => each !== number) : [...marks, number].sort((a, b) => a - b);
          paint();
          keep();
        });
        paint();
        line.append(button);
        return line;
      }),
    );
  };
  const paintChoice = () => {
    const choice = answer().choice;
    for (const button of document.querySelectorAll("[data-choice]"))
      button.setAttribute("aria-pressed", button.dataset.choice === choice);
    at("left").classList.toggle("better", choice === "left" || choice === "both");
    at("right").classList.toggle("better", choice === "right" || choice === "both");
    at("next").disabled = !choice;
    at("next").textContent = place + 1 < data.questions.length ? "Next" : "Finish";
    at("done").style.width = `${(100 * answered()) / data.questions.length}%`;
  };
  const paint = () => {
    const many = now().about.length > 1 || data.ask === "people";
    at("heading").textContent = many ? "For somebody who watched, the newest first:" : "Because you liked";
    at("about").replaceChildren(
      ...now().about.map((card) => {
        const line = made("li");
        line.append(name(card));
        return line;
      }),
    );
    at("count").textContent = `Question ${place + 1} of ${data.questions.length}`;
    at("me").textContent = rater;
    at("back").disabled = place === 0;
    listed("left");
    listed("right");
    paintChoice();
    since = Date.now();
    show("ask");
    at("heading").focus({ preventScroll: true });
  };
  const clock = () => {
    const spent = answer().seconds + (Date.now() - since) / 1000;
    answer().seconds = Math.round(10 * Math.min(spent, LONGEST)) / 10;
    since = Date.now();
  };
  const choose = (choice) => {
    clock();
    answer().choice = choice;
    paintChoice();
    keep();
    at("next").focus({ preventScroll: true });
  };
  const go = (to) => {
    clock();
    place = to;
    keep();
    if (place < data.questions.length) paint();
    else finish();
  };
  const finish = () => {
    const missing = data.questions.findIndex((each) => !answers[each.number]?.choice);
    if (missing >= 0) {
      place = missing;
      paint();
      return;
    }
    place = data.questions.length - 1;
    save();
    show("end");
    at("thanks").focus();
  };
  const file = () => `answers-${rater.normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "rater"}.json`;
  const save = () => {
    const told = data.questions
      .filter((each) => answers[each.number]?.choice)
      .map((each) => ({ number: each.number, ...answers[each.number] }));
    const whole = { format: data.format, study: data.study, rater, answers: told };
    const link = made("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 1) + "\n"], { type: "application/json" }));
    link.download = file();
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    at("file").textContent = file();
  };
  const begin = (who) => {
    rater = who;
    const before = kept(who);
    answers = before?.answers ?? {};
    place = Math.min(before?.place ?? 0, data.questions.length - 1);
    paint();
  };

  at("minutes").textContent = Math.max(1, Math.round((data.questions.length * SECONDS_EACH) / 60));
  at("unkept").hidden = shelf !== null;
  if (shelf) {
    for (const key of Object.keys(shelf).filter((each) => each.startsWith(prefix)).sort()) {
      const who = key.slice(prefix.length);
      const count = Object.values(kept(who)?.answers ?? {}).filter((each) => each.choice).length;
      const button = made("button", "", `Go on as ${who} (${count} of ${data.questions.length})`);
      button.type = "button";
      button.addEventListener("click", () => begin(who));
      at("begun").append(button);
      at("resume").hidden = false;
    }
  }
  at("who").addEventListener("submit", (event) => {
    event.preventDefault();
    const who = at("rater").value.trim().replace(/\s+/g, " ");
    if (who) begin(who);
  });
  for (const button of document.querySelectorAll("[data-choice]"))
    button.addEventListener("click", () => choose(button.dataset.choice));
  at("next").addEventListener("click", () => go(place + 1));
  at("back").addEventListener("click", () => go(place - 1));
  at("save").addEventListener("click", save);
  at("again").addEventListener("click", save);
  at("look").addEventListener("click", paint);
  document.addEventListener("keydown", (event) => {
    if (at("ask").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const arrows = { ArrowLeft: "left", ArrowRight: "right" };
    const choice = arrows[event.key] ?? CHOICES["12345".indexOf(event.key)];
    if (!choice) return;
    event.preventDefault();
    choose(choice);
  });
})();
