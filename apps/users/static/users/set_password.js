"use strict";

// The token comes in the fragment and leaves the address bar at once, so that neither history nor a screenshot keeps it.
const token = location.hash.slice(1).replace(/%3A/gi, ":");
history.replaceState(null, "", location.pathname);

const form = document.getElementById("form");
const password = document.getElementById("password");
const again = document.getElementById("again");
const button = form.querySelector("button");
const message = document.getElementById("message");

function say(text, isRight = false) {
  message.textContent = text;
  message.classList.toggle("right", isRight);
}

async function answerOf(response) {
  try {
    const problem = await response.json();
    const details = (problem.errors || []).map((error) => error.detail);
    return details.length ? details.join(" ") : problem.detail;
  } catch {
    return "That did not work. Try again in a moment.";
  }
}

document.getElementById("show").addEventListener("change", (event) => {
  password.type = again.type = event.target.checked ? "text" : "password";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (password.value !== again.value) {
    say("The two passwords differ.");
    again.focus();
    return;
  }
  say("");
  button.disabled = true;
  try {
    const response = await fetch("/api/v1/auth/password/reset/confirm/", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, new_password: password.value }),
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
    if (response.status === 204) {
      form.hidden = true;
      say("Your password is set. You can sign in with it now.", true);
      document.getElementById("next").hidden = false;
    } else {
      say(await answerOf(response));
    }
  } catch {
    say("The server cannot be reached. Try again in a moment.");
  } finally {
    button.disabled = false;
  }
});

if (token) {
  form.hidden = false;
  password.focus();
} else {
  say("This page is opened by a link in a mail. The link is not complete.");
}
