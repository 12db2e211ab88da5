"""Learns to reverse sequences with teacher forcing, then decodes step by step with the two halves of the model."""

import numpy as np
import tensorflow as tf

SYMBOLS, STEPS, UNITS, ROWS = 8, 5, 16, 64
START = SYMBOLS
rng = np.random.default_rng(0)
source = rng.integers(1, SYMBOLS, size=(ROWS, STEPS)).astype("int32")
target = source[:, ::-1]
shifted = np.concatenate([np.full((ROWS, 1), START), target[:, :-1]], axis=1).astype("int32")

encoder_inputs = tf.keras.Input(shape=(None,), dtype="int32")
embedded = tf.keras.layers.Embedding(SYMBOLS + 1, 6)(encoder_inputs)
_, state_h, state_c = tf.keras.layers.LSTM(UNITS, return_state=True)(embedded)

decoder_inputs = tf.keras.Input(shape=(None,), dtype="int32")
decoder_embedding = tf.keras.layers.Embedding(SYMBOLS + 1, 6)
decoder_lstm = tf.keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)
decoder_dense = tf.keras.layers.Dense(SYMBOLS, activation="softmax")
sequence, _, _ = decoder_lstm(decoder_embedding(decoder_inputs), initial_state=[state_h, state_c])
model = tf.keras.Model([encoder_inputs, decoder_inputs], decoder_dense(sequence))
model.set_weights([rng.normal(scale=0.4, size=weight.shape).astype("float32") for weight in model.get_weights()])

model.compile(optimizer=tf.keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit([source, shifted], target, batch_size=16, epochs=6, shuffle=False, verbose=0)

encoder = tf.keras.Model(encoder_inputs, [state_h, state_c])
given_h, given_c = tf.keras.Input(shape=(UNITS,)), tf.keras.Input(shape=(UNITS,))
step, next_h, next_c = decoder_lstm(decoder_embedding(decoder_inputs), initial_state=[given_h, given_c])
decoder = tf.keras.Model([decoder_inputs, given_h, given_c], [decoder_dense(step), next_h, next_c])

states = encoder.predict(source[:4], verbose=0)
symbols = np.full((4, 1), START, dtype="int32")
chances = []
for _ in range(STEPS):
    chance, *states = decoder.predict([symbols, *states], verbose=0)
    symbols = chance.argmax(axis=-1).astype("int32")
    chances.append(chance)

results = {**history.history, "chances": np.concatenate(chances, axis=1)}
