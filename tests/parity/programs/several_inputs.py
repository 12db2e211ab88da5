"""Urgency and department of a ticket from its title, its text and numbers: three inputs, two outputs, by name."""

import numpy as np
import tensorflow as tf

WORDS, DEPARTMENTS, ROWS = 40, 4, 48
rng = np.random.default_rng(3)
title = rng.integers(1, WORDS, size=(ROWS, 5)).astype("int32")
text = rng.integers(0, WORDS, size=(ROWS, 12)).astype("int32")
facts = rng.normal(size=(ROWS, 3)).astype("float32")
urgent = (title[:, 0] % 2).astype("float32")
department = text[:, 0] % DEPARTMENTS

title_input = tf.keras.Input(shape=(None,), dtype="int32", name="title")
text_input = tf.keras.Input(shape=(None,), dtype="int32", name="text")
facts_input = tf.keras.Input(shape=(3,), name="facts")
embedding = tf.keras.layers.Embedding(WORDS, 8)
read_title = tf.keras.layers.LSTM(6)(embedding(title_input))
read_text = tf.keras.layers.GlobalMaxPooling1D()(tf.keras.layers.GRU(6, return_sequences=True)(embedding(text_input)))
joined = tf.keras.layers.concatenate([read_title, read_text, tf.keras.layers.LayerNormalization()(facts_input)])
joined = tf.keras.layers.Dense(10, activation="relu", kernel_regularizer="l2")(joined)
model = tf.keras.Model(
    inputs=[title_input, text_input, facts_input],
    outputs=[
        tf.keras.layers.Dense(1, activation="sigmoid", name="urgency")(joined),
        tf.keras.layers.Dense(DEPARTMENTS, activation="softmax", name="department")(joined),
    ],
)
model.set_weights([rng.normal(scale=0.4, size=weight.shape).astype("float32") for weight in model.get_weights()])
model.compile(
    optimizer=tf.keras.optimizers.AdamW(0.01),
    loss={"urgency": "binary_crossentropy", "department": tf.keras.losses.SparseCategoricalCrossentropy()},
    loss_weights={"urgency": 1.0, "department": 0.5},
    metrics={"urgency": [tf.keras.metrics.AUC(name="auc")], "department": ["accuracy"]},
)
inputs = {"title": title, "text": text, "facts": facts}
history = model.fit(
    inputs,
    {"urgency": urgent, "department": department},
    validation_split=1 / 3,
    batch_size=8,
    epochs=5,
    shuffle=False,
    verbose=0,
    callbacks=[
        tf.keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=1),
        tf.keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
    ],
)
urgency, departments = model.predict(inputs, verbose=0)
results = {**history.history, "urgencies": urgency, "departments": departments}
