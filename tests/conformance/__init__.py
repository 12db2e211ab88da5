"""Every public name and argument of Keras beside what lstm_rs does with it."""
