"""Spanish."""

from refundry_explain.phrases.table import Phrases

SPANISH = Phrases(
    refund="Su reembolso",
    refund_of="Su reembolso de {amount}",
    on=" el {date}",
    by=" a más tardar el {date}",
    sent_to_bank="{refund} se envió a su banco{when}.",
    sent="{refund} se envió{when} a la cuenta con la que pagó.",
    banks_show="Los bancos suelen mostrarlo en un plazo de {least} a {most} días hábiles.",
    if_not_shown="Si no aparece, dé a su banco esta referencia: {reference}",
    overdue_at_bank="A estas alturas los bancos suelen haberlo mostrado. "
    "Si no lo ve, dé a su banco esta referencia: {reference}",
    overdue_without_reference="A estas alturas los bancos suelen haberlo mostrado. Si no lo ve, díganoslo, por favor.",
    started="{refund} se inició{when} y aún no ha terminado.",
    restarted="{refund} está de nuevo en curso y aún no ha terminado.",
    usually_takes="Suele tardar hasta {span}.",
    takes_longer="Está tardando más de lo habitual.",
    on_hold="{refund} está en espera: una persona tiene que revisarlo antes de que pueda continuar.",
    failed="{refund} no se pudo completar. Póngase en contacto con nosotros para que busquemos otra manera.",
    returned="{refund} se envió, pero después se comunicó que había fallado{when}. "
    "Póngase en contacto con nosotros para que busquemos otra manera.",
    unclear="{refund} aún no tiene un estado claro: no podemos decir con certeza si se envió.",
    processor="el proveedor de pagos",
    wait_for_bank="Nada que hacer hasta el {date}: el banco puede tardar hasta entonces.",
    bank_can_trace="El banco del cliente puede localizar el dinero con la referencia {reference}.",
    ask_for_reference="Si el cliente no lo ve, pedir el número de referencia del adquirente (ARN) en {title}.",
    wait_for_processor="Nada que hacer todavía: volver a preguntar más tarde en {title}.",
    wait_for_processor_until="Nada que hacer todavía: en {title} suele tardar hasta {span}.",
    ask_why_late="Lleva abierto más de lo habitual: preguntar el motivo en {title}.",
    see_who_must_act="Alguien debe actuar, y solo en {title} consta quién: consultarlo allí.",
    refund_otherwise="Averiguar por qué falló; "
    "comprobar que no se hizo otro reembolso y después reembolsar de otra manera.",
    check_return="Preguntar en {title} si el dinero ha vuelto antes de reembolsar de otra manera.",
    ask_what_holds="Preguntar en {title} qué es lo válido ahora. No reembolsar otra vez antes de que esté claro.",
    ask_now="Aún no se ha comunicado nada: preguntar ahora en {title}.",
    word_is="La palabra del proveedor es «{word}».",
    reason_is="El motivo indicado: «{reason}».",
    look_for_second_refund="Una vez se comunicó que había fallado: comprobar que no se reembolsó dos veces.",
    compare_amounts="Se comunicaron importes distintos: compararlos con el pedido.",
)
