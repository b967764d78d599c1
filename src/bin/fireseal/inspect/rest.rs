//! Values in JSON as Firestore's REST interface has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fireseal::store::{Fields, Time, Value, ValueType};
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, MapValue};
use firestore::gcloud_sdk::google::r#type::LatLng;
use serde_json::{Map, Value as Json, json};

/// The fields of a map; `None` where one of them has no such form.
pub fn fields(map: &Map<String, Json>) -> Option<Fields> {
    map.iter().map(|(name, json)| Some((name.clone(), value(json)?))).collect()
}

fn value(json: &Json) -> Option<Value> {
    let object = json.as_object().filter(|object| object.len() == 1)?;
    let (kind, json) = object.iter().next()?;
    let text = || json.as_str().map(str::to_owned);
    let value = match kind.as_str() {
        "nullValue" => ValueType::NullValue(0),
        "booleanValue" => ValueType::BooleanValue(json.as_bool()?),
        "integerValue" => {
            ValueType::IntegerValue(text().and_then(|text| text.parse().ok()).or(json.as_i64())?)
        }
        "doubleValue" => ValueType::DoubleValue(text().and_then(|text| text.parse().ok()).or(json.as_f64())?),
        "timestampValue" => {
            let time: jiff::Timestamp = json.as_str()?.parse().ok()?;
            ValueType::TimestampValue(Time { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
        }
        "stringValue" => ValueType::StringValue(text()?),
        "bytesValue" => ValueType::BytesValue(super::envelope::base64(json.as_str()?)?),
        "referenceValue" => ValueType::ReferenceValue(text()?),
        "geoPointValue" => {
            let part = |name: &str| json.get(name).map_or(Some(0.0), Json::as_f64);
            ValueType::GeoPointValue(LatLng { latitude: part("latitude")?, longitude: part("longitude")? })
        }
        "arrayValue" => {
            let values = json
                .as_object()?
                .get("values")
                .map_or(Some(Vec::new()), |values| values.as_array()?.iter().map(value).collect())?;
            ValueType::ArrayValue(ArrayValue { values })
        }
        "mapValue" => {
            let inner = json
                .as_object()?
                .get("fields")
                .map_or(Some(Fields::new()), |map| fields(map.as_object()?))?;
            ValueType::MapValue(MapValue { fields: inner })
        }
        _ => return None,
    };
    Some(Value { value_type: Some(value) })
}

/// A value as the REST interface writes it.
pub fn json(value: &Value) -> Json {
    match value.value_type.as_ref() {
        None | Some(ValueType::NullValue(_)) => json!({"nullValue": null}),
        Some(ValueType::BooleanValue(value)) => json!({"booleanValue": value}),
        Some(ValueType::IntegerValue(value)) => json!({"integerValue": value.to_string()}),
        Some(ValueType::DoubleValue(value)) if value.is_finite() => json!({"doubleValue": value}),
        Some(ValueType::DoubleValue(value)) => json!({"doubleValue": value.to_string()}),
        Some(ValueType::TimestampValue(time)) => {
            let text = jiff::Timestamp::new(time.seconds, time.nanos).map(|time| time.to_string());
            json!({"timestampValue": text.unwrap_or_default()})
        }
        Some(ValueType::StringValue(text)) => json!({"stringValue": text}),
        Some(ValueType::BytesValue(bytes)) => json!({"bytesValue": STANDARD.encode(bytes)}),
        Some(ValueType::ReferenceValue(name)) => json!({"referenceValue": name}),
        Some(ValueType::GeoPointValue(point)) => {
            json!({"geoPointValue": {"latitude": point.latitude, "longitude": point.longitude}})
        }
        Some(ValueType::ArrayValue(array)) => {
            json!({"arrayValue": {"values": array.values.iter().map(json).collect::<Vec<_>>()}})
        }
        Some(ValueType::MapValue(map)) => {
            let fields: Map<String, Json> =
                map.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect();
            json!({"mapValue": {"fields": fields}})
        }
        // Kinds of pipelines, which no document holds.
        Some(_) => Json::Null,
    }
}
