"""Two stateful LSTM layers read long series in pieces, in training and after, with states reset between epochs."""

import numpy as np
import tensorflow as tf

BATCH, PIECES, STEPS, UNITS = 4, 5, 10, 12
rng = np.random.default_rng(1)
phase = rng.uniform(0, 6, size=(BATCH, 1))
wave = np.sin(phase + np.arange(PIECES * STEPS + 1) * 0.3).astype("float32")[..., None]

model = tf.keras.Sequential(
    [
        tf.keras.Input(batch_shape=(BATCH, STEPS, 1)),
        tf.keras.layers.LSTM(UNITS, return_sequences=True, stateful=True),
        tf.keras.layers.LSTM(UNITS, stateful=True),
        tf.keras.layers.Dense(1),
    ]
)
model.set_weights([rng.normal(scale=0.3, size=weight.shape).astype("float32") for weight in model.get_weights()])
model.compile(optimizer=tf.keras.optimizers.RMSprop(0.01), loss="mse")

losses = []
for _ in range(4):
    for piece in range(PIECES):
        start = piece * STEPS
        x, y = wave[:, start : start + STEPS], wave[:, start + STEPS]
        losses.append(model.train_on_batch(x, y))
    for layer in model.layers:
        if hasattr(layer, "reset_states"):
            layer.reset_states()

# All pieces as one array: each batch goes on where the one before it stopped.
rows = np.concatenate([wave[:, piece * STEPS : (piece + 1) * STEPS] for piece in range(PIECES)])
targets = np.concatenate([wave[:, (piece + 1) * STEPS] for piece in range(PIECES)])
history = model.fit(rows, targets, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
going_on = model.predict(rows, batch_size=BATCH, verbose=0)
for layer in model.layers[:2]:
    layer.reset_states()
afresh = model.predict(rows, batch_size=BATCH, verbose=0)

results = {"losses": np.array(losses, dtype=float), **history.history, "going_on": going_on, "afresh": afresh}
